// Golden records by avsc: each case bare, framed and as a single object, one JSON line each.
'use strict';

const fs = require('fs');
const path = require('path');
const avro = require('avsc');

// avsc leaves decimals to its users: unscaled bytes, big endian.
function decimal(text, schema) {
  let unscaled = BigInt(text.replace('.', ''));
  const bytes = Buffer.alloc(schema.size || 8);
  for (let index = bytes.length - 1; index >= 0; index--, unscaled >>= 8n) bytes[index] = Number(unscaled & 255n);
  return bytes;
}

// CRC-64-AVRO of the specification, which avsc does not have.
function rabin(text) {
  const empty = 0xc15d213aa4d7a795n;
  let crc = empty;
  for (const byte of Buffer.from(text)) {
    crc ^= BigInt(byte);
    for (let bit = 0; bit < 8; bit++) crc = (crc >> 1n) ^ (crc & 1n ? empty : 0n);
  }
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(crc);
  return bytes;
}

const cases = JSON.parse(fs.readFileSync(path.join(__dirname, 'cases.json'), 'utf8'));
cases.forEach((testCase, number) => {
  const schema = typeof testCase.schema === 'string'
    ? JSON.parse(fs.readFileSync(path.join(__dirname, '..', '..', testCase.schema), 'utf8'))
    : testCase.schema;
  const type = avro.Type.forSchema(schema, { wrapUnions: false });
  const record = { ...testCase.record };
  if (record.hash) record.hash = Buffer.from(record.hash);
  if (testCase.decimals) record.price = decimal(record.price, priceSchema(schema));
  const bytes = type.toBuffer(record);
  const id = Buffer.alloc(5);
  id.writeUInt32BE(100 + number, 1);
  const header = Buffer.concat([Buffer.from([0xc3, 1]), rabin(JSON.stringify(type.schema()))]);
  const prefixes = { bare: Buffer.alloc(0), framed: id, 'single-object': header };
  for (const [encoding, prefix] of Object.entries(prefixes)) {
    console.log(JSON.stringify({ case: testCase.name, encoding, hex: Buffer.concat([prefix, bytes]).toString('hex') }));
  }
});

function priceSchema(schema) {
  const price = schema.fields.find((field) => field.name === 'price').type;
  return Array.isArray(price) ? price.find((branch) => branch !== 'null') : price;
}
