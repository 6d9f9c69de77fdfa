"""The C2PA instrument tells presence, integrity and trust of a manifest apart."""

import datetime
import subprocess
import sys
from io import BytesIO

import c2pa
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from made_pictures import encoded, photograph, saved

from morelli.data_pipeline.images import picture_from_bytes
from morelli.data_pipeline.instruments.provenance import TRUST_LIST, measure_c2pa

PEM = serialization.Encoding.PEM
TYPES = "http://cv.iptc.org/newscodes/digitalsourcetype/"


def _certificate(name, key, issuer, issuer_key, extensions):
    start = datetime.datetime(2025, 1, 1, tzinfo=datetime.UTC)
    subject = x509.Name([
        x509.NameAttribute(x509.NameOID.COMMON_NAME, name),
        x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, "Test"),
    ])  # fmt: skip
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + datetime.timedelta(days=36500))
    )
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    return builder.sign(issuer_key, hashes.SHA256())


def _usage(signs_certificates: bool):
    return x509.KeyUsage(
        not signs_certificates, False, False, False, False,
        signs_certificates, signs_certificates, False, False,
    )  # fmt: skip


@pytest.fixture(scope="module")
def chain():
    """Certificates of a signer and of a root that vouches for it, and the signer's key, in PEM."""
    root_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    of_root = x509.SubjectKeyIdentifier.from_public_key(root_key.public_key())
    root = _certificate("Root", root_key, None, root_key, [
        (x509.BasicConstraints(True, None), True), (_usage(True), True), (of_root, False),
    ])  # fmt: skip
    leaf = _certificate("Signer", key, root, root_key, [
        (x509.BasicConstraints(False, None), True), (_usage(False), True),
        (x509.ExtendedKeyUsage([x509.ExtendedKeyUsageOID.EMAIL_PROTECTION]), False),
        (x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False),
        (x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(of_root), False),
    ])  # fmt: skip
    secret = key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return leaf.public_bytes(PEM), root.public_bytes(PEM), secret


@pytest.fixture(scope="module")
def sign(chain):
    leaf, root, secret = chain

    def signed(source_type: str) -> bytes:
        info = c2pa.C2paSignerInfo(
            alg=b"es256", sign_cert=leaf + root, private_key=secret, ta_url=None
        )
        action = {"action": "c2pa.created", "digitalSourceType": TYPES + source_type}
        builder = c2pa.Builder({
            "claim_generator_info": [{"name": "Test", "version": "1"}],
            "assertions": [{"label": "c2pa.actions.v2", "data": {"actions": [action]}}],
        })  # fmt: skip
        source, target = BytesIO(encoded(photograph(), "JPEG", quality=90)), BytesIO()
        builder.sign(c2pa.Signer.from_info(info), "image/jpeg", source, target)
        return target.getvalue()

    return signed


def read(data):
    return measure_c2pa(picture_from_bytes(data, "signed.jpg"))


def test_an_intact_manifest_of_a_camera_is_normal_and_not_yet_trusted(sign):
    reading = read(sign("digitalCapture"))
    assert reading.value == 0
    assert not reading.anomalous
    assert reading.details["integrity"] == "intact"
    assert reading.details["trust"] == "no trust list given"


def test_a_signer_on_the_trust_list_is_trusted(sign, chain, tmp_path, monkeypatch):
    (tmp_path / "list.pem").write_bytes(chain[1])
    monkeypatch.setenv(TRUST_LIST, str(tmp_path / "list.pem"))
    reading = read(sign("digitalCapture"))
    assert reading.details["trust"] == "signer on the trust list"
    assert reading.reliability == 1


def test_a_file_changed_after_signing_is_found(sign):
    data = bytearray(sign("digitalCapture"))
    data[-400] ^= 1
    reading = read(bytes(data))
    assert reading.anomalous
    assert reading.details["integrity"] == "broken"
    assert "changed after" in reading.statement


@pytest.mark.parametrize(
    ("source_type", "words"),
    [("trainedAlgorithmicMedia", "generated"), ("compositeWithTrainedAlgorithmicMedia", "put in")],
)
def test_what_the_manifest_says_of_its_making_is_a_sign(sign, source_type, words):
    reading = read(sign(source_type))
    assert reading.anomalous
    assert words in reading.statement


def test_without_a_manifest_it_tells_nothing():
    reading = measure_c2pa(saved(photograph(), "JPEG"))
    assert reading.value is None
    assert reading.reliability == 0


def test_something_that_only_looks_like_a_manifest_is_survived():
    data = encoded(photograph(), "JPEG") + b"jumb" * 20
    assert read(data).value is None


def test_the_reader_is_loaded_only_for_files_that_may_have_a_manifest():
    code = "import sys; import morelli.data_pipeline.instruments;sys.exit('c2pa' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
