"""Who made a file: detached signatures, Ed25519 (RFC 8032) of all its bytes.

`FILE.sig` lies beside the file: the 64 bytes that `openssl pkeyutl -sign -rawin` writes.
"""

from pathlib import Path

from ship_deploy.errors import UserError, how_to_install


def signature_path(path: Path) -> Path:
    """Where the signature of a file lies."""
    return path.with_name(f"{path.name}.sig")


def check_signature(path: Path, content: bytes, signed_by: Path) -> None:
    """Refuse a file whose signature is missing or not by the owner of a key.

    Args:
        path: of the file, for its signature and for errors.
        content: the file, as it is used from here on.
        signed_by: file of the public key, PEM.

    Raises:
        UserError: it is not signed by that key; or the key cannot be read, or is none.
    """
    try:
        from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
        from cryptography.hazmat.primitives.serialization import load_pem_public_key
    except ImportError as error:
        raise UserError(f"signatures need cryptography: {how_to_install('signatures')}") from error
    encoded = _read(signed_by, "the public key")
    try:
        key = load_pem_public_key(encoded)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise UserError(f"{signed_by}: not a public key in PEM") from error
    if not isinstance(key, Ed25519PublicKey):
        raise UserError(f"{signed_by}: not a key for Ed25519")
    try:
        key.verify(_read(signature_path(path), "the signature"), content)
    except InvalidSignature as error:
        raise UserError(f"{path}: the signature is not by {signed_by}, or not of this") from error


def _read(path: Path, what: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UserError(f"{path}: cannot read {what} ({error.strerror})") from error
