"""The exercises and quizzes of the lessons, one file each; `diffcourse.learn.exercise` shows how to write one."""
