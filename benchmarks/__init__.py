"""What is measured, each against a floor in the same run: ratios hold where absolute numbers drift."""
