"""Golden records by fastavro: each case bare, framed and as a single object, one JSON line each."""

import io
import json
from decimal import Decimal
from pathlib import Path

from fastavro import parse_schema, schemaless_writer
from fastavro.schema import fingerprint, to_parsing_canonical_form

FOLDER = Path(__file__).parent


def native(case):
    """The record as Python values: decimals where the schema says so, bytes for fixed."""
    record = dict(case["record"])
    if case.get("decimals"):
        record["price"] = Decimal(record["price"])
    if "hash" in record:
        record["hash"] = record["hash"].encode()
    return record


for number, case in enumerate(json.loads((FOLDER / "cases.json").read_text())):
    schema = case["schema"]
    if isinstance(schema, str):
        schema = json.loads((FOLDER / ".." / ".." / schema).read_text())
    plain = parse_schema(schema)
    # Times stay numbers: without the logical type fastavro writes them as they are.
    untimed = json.loads(json.dumps(schema).replace("timestamp-", "plain-"))
    record = io.BytesIO()
    schemaless_writer(record, parse_schema(untimed), native(case))
    rabin = bytes.fromhex(fingerprint(to_parsing_canonical_form(plain), "CRC-64-AVRO"))
    frame = b"\x00" + (100 + number).to_bytes(4, "big")
    for encoding, prefix in (("bare", b""), ("framed", frame), ("single-object", b"\xc3\x01" + rabin)):
        line = {"case": case["name"], "encoding": encoding, "hex": (prefix + record.getvalue()).hex()}
        print(json.dumps(line, ensure_ascii=False))
