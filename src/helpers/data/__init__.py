"""Digits and which rows go where: loading, formats, splits and folds, writers, the Kaggle competition."""
