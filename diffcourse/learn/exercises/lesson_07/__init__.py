"""Lesson 07: one file an exercise, in the order of the files' names, quizzes, predictions and reveals."""
