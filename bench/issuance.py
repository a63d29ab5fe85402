"""P1: issuing in process, without a database, beside the same core's rate of verify + sign + verify; and the memory of it.

python -m bench.issuance [--requests 4000] [--times 7]
"""

import argparse
import gc
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from bench import measure
from ca import lint, requests
from ca.authority import Authority
from ca.profiles import new_serial
from ca.requests import RequestedKey
from ca.signing import certify, to_be_signed
from ca.template import template_of
from tests.ca.trial import NOW, PROFILE, SUBJECT, TODAY, trial_issuer

TARGET, BUILDER_TARGET = 0.45, 4
ISSUED = 10_000


def main() -> None:
    """Measure, write bench/results/issuance.json, and end with 1 when a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=4_000)
    parser.add_argument("--times", type=int, default=7)
    chosen = parser.parse_args()
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as apart:
        memory = apart.submit(_memory, ISSUED).result()
    encoded = [_request() for _ in range(chosen.requests)]
    keys = [requests.read(request) for request in encoded]
    deeds = _deeds(encoded, keys)
    gc.freeze()  # a door holds no thousands of requests at a time: the collector shall not walk through ours
    single = _one_by_one(encoded)
    rates, sign, verify = _in_turn(deeds, chosen.times, len(encoded))
    limit = 1 / (2 / verify + 1 / sign)
    own_limit = 1 / (2 / rates["pyca verify"] + 1 / rates["pyca sign"])
    # The builder signs as it builds, with a throwaway key: what the signature takes is deducted.
    built = 1 / (1 / rates["assembly by pyca's builder"] - 1 / rates["pyca sign"])
    ratios = {
        "issuing / (verify + sign + verify by openssl speed)": rates["issuing"] / limit,
        "issuing / (verify + sign + verify by pyca)": rates["issuing"] / own_limit,
        "assembly / pyca's builder": rates["assembly by the template"] / built,
    }
    measure.write(
        "issuance",
        {
            "what": "P1, P-256 throughout; certificates a second of CPU",
            "per_core_second": {name: round(rate) for name, rate in rates.items()},
            "openssl_speed": {"sign": round(sign), "verify": round(verify), "verify + sign + verify": round(limit)},
            "ratios": {name: round(ratio, 3) for name, ratio in ratios.items()},
            "targets": {"issuing": TARGET, "assembly": BUILDER_TARGET},
            "one_by_one_microseconds": single,
            "private_mb": memory,
        },
    )
    for name, rate in rates.items():
        sys.stdout.write(f"{rate:10,.0f}  {name}\n")
    sys.stdout.write(f"{limit:10,.0f}  verify + sign + verify (openssl speed)\n")
    for name, ratio in ratios.items():
        sys.stdout.write(f"{ratio:10.2f}  {name}\n")
    sys.stdout.write(f"{single}\n{memory}\n")
    first, _, last = ratios.values()
    sys.exit(first < TARGET or last < BUILDER_TARGET)


def _deeds(encoded: list[bytes], keys: list[RequestedKey]) -> dict[str, Callable[[], object]]:
    """Return what is measured; each deed goes once over all requests."""
    signer = trial_issuer()
    authority, template = Authority(signer, PROFILE), template_of(signer.issuer, PROFILE)
    validity = PROFILE.validity(TODAY, NOW)
    issuer, message = signer.issuer, template.tbs(new_serial(), validity, SUBJECT, keys[0].spki)
    signature = signer.sign(message)
    expected = [lint.Expectation(issuer, PROFILE, SUBJECT, validity, key.spki_sha256) for key in keys]
    written = [template.tbs(new_serial(), validity, SUBJECT, key.spki) for key in keys]

    def issue() -> None:
        for request in encoded:
            certify(authority.draft(requests.read(request), SUBJECT, TODAY, NOW).tbs, signer)

    def build() -> None:
        for key in keys:
            to_be_signed(PROFILE.builder(issuer, key.public_key, SUBJECT, new_serial(), validity), issuer.public_key)

    def check() -> None:
        for tbs, expectation in zip(written, expected, strict=True):
            lint.check(tbs, expectation)

    def verify() -> None:
        for _ in keys:
            issuer.algorithm.verify(issuer.public_key, signature, message)

    return {
        "issuing": issue,
        "assembly by the template": lambda: [template.tbs(new_serial(), validity, SUBJECT, key.spki) for key in keys],
        "assembly by pyca's builder": build,
        "request: parse, signature, key": lambda: [requests.read(request) for request in encoded],
        "lint": check,
        "sign and verify": lambda: [signer.sign(message) for _ in keys],
        "pyca sign": lambda: [issuer.algorithm.sign(signer.key, message) for _ in keys],
        "pyca verify": verify,
    }


def _memory(count: int) -> dict[str, float]:
    """Issue one certificate after the other, each request made just then; return the private memory of this process in MB.

    Of a process of its own, so that nothing counts but what issuing loads and keeps.
    """
    signer = trial_issuer()
    authority = Authority(signer, PROFILE)

    def issue(number: int) -> float:
        def several() -> None:
            for _ in range(number):
                certify(authority.draft(requests.read(_request()), SUBJECT, TODAY, NOW).tbs, signer)

        return round(measure.repeated("issuing", 1, several).runs[0].private_mb, 1)

    return {"after the first": issue(1), f"at most until {count:,} were issued": issue(count - 1)}


def _one_by_one(encoded: list[bytes]) -> dict[str, float]:
    """Time each certificate and, right after it, two verifications and a signature by pyca; medians by the wall, in microseconds.

    Whatever else runs on the machine lengthens a few of them very much and the median little; both find the same caches.
    """
    signer = trial_issuer()
    authority, algorithm, public_key = Authority(signer, PROFILE), signer.issuer.algorithm, signer.issuer.public_key
    issued, limits = list[float](), list[float]()
    for request in encoded:
        begin = time.perf_counter()
        draft = authority.draft(requests.read(request), SUBJECT, TODAY, NOW)
        certify(draft.tbs, signer)
        between = time.perf_counter()
        signature = algorithm.sign(signer.key, draft.tbs)
        algorithm.verify(public_key, signature, draft.tbs)
        algorithm.verify(public_key, signature, draft.tbs)
        issued.append(between - begin)
        limits.append(time.perf_counter() - between)
    ours, limit = statistics.median(issued), statistics.median(limits)
    return {"issuing": round(1e6 * ours, 1), "verify + sign + verify": round(1e6 * limit, 1), "ratio": round(limit / ours, 3)}


def _in_turn(deeds: dict[str, Callable[[], object]], times: int, count: int) -> tuple[dict[str, float], float, float]:
    """Measure all in turn, openssl among them, as the machine may be busier at one time than at another; return medians."""
    series: dict[str, list[float]] = {name: [] for name in deeds}
    signed, verified = list[float](), list[float]()
    for _ in range(times):
        for name, deed in deeds.items():
            series[name].append(count / measure.repeated(name, 1, deed).cpu)
        sign, verify = _openssl()
        signed.append(sign)
        verified.append(verify)
    medians = {name: statistics.median(rates) for name, rates in series.items()}
    return medians, statistics.median(signed), statistics.median(verified)


def _openssl() -> tuple[float, float]:
    """Return openssl's signatures and verifications a second of CPU, measured now."""
    command = ["openssl", "speed", "-seconds", "1", "-mr", "ecdsap256"]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    *_, sign, verify = next(line for line in lines if line.startswith("+F4")).split(":")
    return float(sign), float(verify)


def _request() -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.DER)


if __name__ == "__main__":
    main()
