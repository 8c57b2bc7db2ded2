"""Private keys that stay where they are: in a device, in a service, or in a process of its own.

What is given out looks like a private key of the ``cryptography`` package and computes elsewhere, so that the rest of
the hub signs and decrypts with it as with any other; asked for its bytes it refuses.

    remote      such keys, over a tiny port: sign, decrypt, agree
    pkcs11      devices that speak PKCS#11 (a smart card, an HSM, SoftHSM)
    transit     services that speak the transit protocol of HashiCorp Vault and OpenBao
    vault       the conversation with such a server: what its answers mean, a token that stays good
    settings    what a configuration says of them, and opening them
    signer      a whole keyring in another process, over a local socket
    uses        how often each key is used
"""
