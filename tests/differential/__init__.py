"""Each Dockerfile of the corpus built by Docker and by laststage, and the images compared."""
