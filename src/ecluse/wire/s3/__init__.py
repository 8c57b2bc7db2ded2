"""The S3 protocol's own forms: signatures of requests (AWS Signature Version 4), answers in XML.

Bytes in, facts out; the time is passed in.
"""
