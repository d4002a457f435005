from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa


def new_key():
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def sign(key, message):
    return key.sign(message, padding.PKCS1v15(), hashes.SHA256())
