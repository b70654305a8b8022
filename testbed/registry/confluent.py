"""Writes and reads orders with Confluent's own serializers; started by confluent.sh.

  confluent.sh register REGISTRY SUBJECT SCHEMA [REFERENCE...]       prints the schema's id
  confluent.sh write BROKERS REGISTRY TOPIC SCHEMA [REFERENCE...]    reads JSON objects from stdin, one a line; "_key" is
                                                                  the key, "_partition" the partition
  confluent.sh read BROKERS REGISTRY TOPIC COUNT                     prints COUNT records as JSON, one a line
SCHEMA is a file; REFERENCE is NAME=SUBJECT:VERSION, where NAME is the full name of the type that SUBJECT defines.
Deliberately knows nothing of the worker: it is the other side.
"""

import json
import struct
import sys

from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.schema_registry import Schema, SchemaReference, SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
from confluent_kafka.serialization import MessageField, SerializationContext

SECONDS = 30


def schema_of(file, references):
    def reference(text):
        name, place = text.split("=")
        subject, version = place.rsplit(":", 1)
        return SchemaReference(name, subject, int(version))

    with open(file, encoding="utf-8") as text:
        return Schema(text.read(), "AVRO", [reference(text) for text in references])


def register(registry, subject, file, *references):
    print(SchemaRegistryClient({"url": registry}).register_schema(subject, schema_of(file, references)))


def write(brokers, registry, topic, file, *references):
    serializer = AvroSerializer(SchemaRegistryClient({"url": registry}), schema_of(file, references))
    producer = Producer({"bootstrap.servers": brokers})
    failed = []
    for line in sys.stdin:
        order = json.loads(line)
        key, partition = order.pop("_key", order["orderId"]), order.pop("_partition", -1)
        value = serializer(order, SerializationContext(topic, MessageField.VALUE))
        producer.produce(
            topic, value, key, partition, on_delivery=lambda error, _: failed.append(error) if error else None
        )
    if producer.flush(SECONDS) or failed:
        sys.exit(f"not delivered: {failed}")


def read(brokers, registry, topic, count):
    deserializer = AvroDeserializer(SchemaRegistryClient({"url": registry}))
    consumer = Consumer({"bootstrap.servers": brokers, "group.id": "confluent", "enable.auto.commit": False})
    partitions = consumer.list_topics(topic, SECONDS).topics[topic].partitions
    consumer.assign([TopicPartition(topic, partition, 0) for partition in partitions])
    for _ in range(int(count)):
        message = consumer.poll(SECONDS)
        if message is None or message.error():
            sys.exit(f"no record: {message and message.error()}")
        order = deserializer(message.value(), SerializationContext(topic, MessageField.VALUE))
        _, schema_id = struct.unpack(">bI", message.value()[:5])
        print(json.dumps({**order, "_key": message.key().decode(), "_id": schema_id}, default=str))
    consumer.close()


if __name__ == "__main__":
    {"register": register, "write": write, "read": read}[sys.argv[1]](*sys.argv[2:])
