"""What must hold of a configuration beyond the shape of its fields: small functions, each with its own sentence.

``general`` has the rules of the hub's and the partners' files, and calls all others.
"""
