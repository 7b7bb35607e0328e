"""The lines, each in a file of its own, and what they are made of: from a received Instance to its reports."""
