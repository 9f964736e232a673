"""May this VM go to that node? An ordered list of named checks, one file a concern; the first no is the reason."""
