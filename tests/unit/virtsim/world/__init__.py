"""A cluster in memory that a test steps through, write by write.

It is a model, for interleavings that a real API server cannot be made to give: which request is answered next, and
how; which watch event reaches which cache, and when; when a process dies; what time it is. Everything else of the
simulator is tested on the real API server.
"""
