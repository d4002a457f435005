import hashlib


def checksum(data):
    return hashlib.sha1(data).hexdigest()
