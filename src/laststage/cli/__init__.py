"""The command line: the only reader of arguments and environment, the only writer of output."""
