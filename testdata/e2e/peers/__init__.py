"""Other taps of the same services beside ours."""
