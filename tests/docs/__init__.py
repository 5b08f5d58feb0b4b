"""What a reader of the documents can see, a test has seen first."""
