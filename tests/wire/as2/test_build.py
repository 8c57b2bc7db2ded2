"""What a message's MIC is over is built again from its documents, octet for octet."""

from __future__ import annotations

from hashlib import sha256
from typing import get_args

from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.hazmat.primitives.serialization.pkcs7 import load_der_pkcs7_certificates
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.as2_world import NOW, Entropy, party

from ecluse.wire.as2.build import BuildOptions, Compression, MessageBuilder, Part, entity_again
from ecluse.wire.cms.recipients import for_certificate

NAMES = st.one_of(st.none(), st.text(st.characters(exclude_categories=("C", "Z")), min_size=1, max_size=40))


def made(options: BuildOptions, documents: list[tuple[Part, list[bytes]]]) -> MessageBuilder:
    builder = MessageBuilder(
        options,
        documents[0][0],
        message_id="<1@aster.example>",
        now=NOW,
        entropy=Entropy(),
        several=len(documents) > 1,
    )
    builder.start()
    for number, (part, chunks) in enumerate(documents):
        if number:
            builder.next_part(part)
        for chunk in chunks:
            builder.feed(chunk)
    builder.finish()
    return builder


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(NAMES, st.lists(st.binary(max_size=3000), max_size=3)), min_size=1, max_size=3),
    st.sampled_from(get_args(Compression)),
    st.booleans(),
    st.booleans(),
)
def test_the_octets_of_the_mic_come_out_again(
    contents: list[tuple[str | None, list[bytes]]], compression: Compression, signed: bool, encrypted: bool
) -> None:
    birch = party("Birch", "ec")
    options = BuildOptions(
        "ASTER",
        "BIRCH",
        signers=(party("Aster", "ec").signer(),) if signed else (),
        recipients=(for_certificate(birch.certificate),) if encrypted else (),
        compression=compression,
    )
    documents = [(Part("application/edifact", name), chunks) for name, chunks in contents]
    builder = made(options, documents)
    digest = sha256()
    for chunk in entity_again(builder.entity, documents):
        digest.update(chunk)
    assert digest.digest() == builder.mics["sha256"]


def test_the_signature_is_given() -> None:
    aster = party("Aster", "ec")
    documents = [(Part("text/plain"), [b"order"])]
    builder = made(BuildOptions("ASTER", "BIRCH", signers=(aster.signer(),)), documents)
    (found,) = load_der_pkcs7_certificates(builder.signature)
    assert found.public_bytes(Encoding.DER) == aster.certificate.public_bytes(Encoding.DER)
    assert made(BuildOptions("ASTER", "BIRCH"), documents).signature == b""
