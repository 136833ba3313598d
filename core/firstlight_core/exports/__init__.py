"""Other programs and servers that an artifact or its source can be written for, one module each."""
