"""Memory, streams and events of a GPU behind one small protocol, and the pipeline of frames that is built on it."""
