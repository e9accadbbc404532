"""Lesson 11: one file an exercise, in the order of the files' names, and the quizzes, predictions and reveals."""
