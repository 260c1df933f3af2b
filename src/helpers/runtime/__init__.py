"""What everything stands on: places, files, the run store, the cache, Keras and its threads, lines for a terminal."""
