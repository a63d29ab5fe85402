"""The files that are handed out for many terminals: request files and scripts before, certificates after."""

import io
import zipfile
from collections.abc import Mapping, Sequence

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7
from sqlalchemy.orm import Session

from ca import certificates as records
from ca import issuers
from enrollment.batches.records import Item
from enrollment.windows_scripts import WindowsScripts

# A ZIP's dates know no time zone: the same content gives the same file.
_DATE = (2020, 1, 1, 0, 0, 0)
_README = "README.txt"

_INSTRUCTIONS = """\
証明書の取得手順 / How to retrieve the certificates
====================================================

このファイルにコード(端末アクセスキー、認証コード)は含まれていません。
There are no codes (access key, authentication codes) in these files.

端末ごとに2つのファイルがあります。証明書を使うパソコンで、使うWindowsユーザーとして作業してください。
There are two files for each terminal. Work on the PC, and as the Windows user, that will use the certificate.

  TERMINAL.inf   鍵とCSRを作るための設定 / the settings to make key and request by
  TERMINAL.ps1   1台ずつ取得するスクリプト / a script that retrieves one certificate

A. まとめて取得する / Many at once
   1. 各パソコンで、その端末のファイルを使って鍵とCSRを作ります。秘密鍵はパソコンから出ません。
      On each PC make key and request by its terminal's file. The private key never leaves the PC.

        certreq -new -user 99999W.inf 99999W.csr

   2. できた .csr を集め(ファイル名は論理端末名のまま)、サポートシステムの「証明書の一括取得」に送信します。
      Collect the .csr files, with the terminals' names as their names, and upload them in the support system.

        {portal}/batches

   3. 結果の画面で証明書をダウンロードし、各パソコンでその端末のファイルを登録します。
      Download the certificates from the report, and on each PC install its terminal's file.

        certreq -accept -user 99999W.p7b

B. 1台ずつ取得する / One by one
   パソコンでスクリプトを実行し、サポートシステムの「ID通知内容」に表示されるコードを入力します。
   Run the script on the PC and type the codes that the ID notice in the support system shows.

        powershell -ExecutionPolicy Bypass -File .\\99999W.ps1

このファイルの論理端末 / The terminals of this file:
{terminals}
"""


def scripts(windows: WindowsScripts, portal_url: str, terminals: Sequence[str]) -> bytes:
    """Return a ZIP of request file and script for each terminal, with instructions; no code is in it.

    Raises Refused("terminal-name-invalid").
    """
    names = "\n".join(f"  {terminal}" for terminal in terminals)
    text = _INSTRUCTIONS.format(portal=portal_url, terminals=names).replace("\n", "\r\n")
    files = {_README: ("\ufeff" + text).encode()}  # with a mark, for Windows' editor
    for terminal in terminals:
        files[f"{terminal}.inf"] = windows.request_file(terminal)
        files[f"{terminal}.ps1"] = windows.script(terminal)
    return archive(files)


def certificates(session: Session, done: Sequence[Item]) -> bytes:
    """Return a ZIP of each item's certificate with those above it, as PKCS#7 (for certreq) and as PEM."""
    found = records.of_serials(session, {(item.issuer or "", item.serial or "") for item in done})
    files: dict[str, bytes] = {}
    for item in done:
        record = found[item.issuer or "", item.serial or ""]
        certificate = x509.load_der_x509_certificate(record.der or b"")
        chain = [certificate, *(link.certificate for link in issuers.chain(session, record.issuer))]
        files[f"{item.terminal}.p7b"] = pkcs7.serialize_certificates(chain, Encoding.DER)
        files[f"{item.terminal}-chain.pem"] = b"".join(link.public_bytes(Encoding.PEM) for link in chain)
    return archive(files)


def archive(files: Mapping[str, bytes]) -> bytes:
    """Return a ZIP of files by name."""
    octets = io.BytesIO()
    with zipfile.ZipFile(octets, "w", zipfile.ZIP_DEFLATED) as made:
        for name, content in files.items():
            made.writestr(zipfile.ZipInfo(name, _DATE), content, zipfile.ZIP_DEFLATED)
    return octets.getvalue()
