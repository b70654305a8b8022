package bench;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Properties;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.PartitionInfo;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/** A plain, tuned KafkaConsumer: reads the topic to its end, running averages per product, a commit a second. */
final class Drain {
    public static void main(String[] arguments) throws Exception {
        Arguments given = new Arguments(arguments);
        String topic = given.get("--topic");
        OrderReader reader = new OrderReader(given.get("--schema"));
        Totals totals = new Totals();
        Result result = new Result();
        try (KafkaConsumer<byte[], byte[]> consumer = new KafkaConsumer<>(settings(given))) {
            long end = available(consumer, topic);
            consumer.subscribe(List.of(topic));
            long committed = 0;
            while (totals.records() < end) {
                ConsumerRecords<byte[], byte[]> batch = consumer.poll(Duration.ofMillis(100));
                if (totals.records() == 0 && !batch.isEmpty()) {
                    result.start();
                    committed = System.nanoTime();
                }
                for (ConsumerRecord<byte[], byte[]> record : batch) {
                    reader.read(record.value());
                    totals.add(reader.product(), reader.minorUnits());
                }
                if (totals.records() > 0 && System.nanoTime() - committed > 1_000_000_000L) {
                    consumer.commitAsync();
                    committed = System.nanoTime();
                }
            }
            consumer.commitSync();
            System.out.println("{" + result.json(totals.records()) + ", " + totals.json() + "}");
        }
    }

    private static Properties settings(Arguments given) {
        Properties settings = new Properties();
        settings.put("bootstrap.servers", given.get("--bootstrap-servers"));
        settings.put("group.id", given.get("--group-id"));
        settings.put("auto.offset.reset", "earliest");
        settings.put("enable.auto.commit", "false");
        settings.put("max.poll.records", "5000");
        // As librdkafka's default.
        settings.put("check.crcs", "false");
        settings.put("key.deserializer", ByteArrayDeserializer.class.getName());
        settings.put("value.deserializer", ByteArrayDeserializer.class.getName());
        return settings;
    }

    private static long available(KafkaConsumer<byte[], byte[]> consumer, String topic) {
        List<TopicPartition> partitions = new ArrayList<>();
        for (PartitionInfo partition : consumer.partitionsFor(topic)) {
            partitions.add(new TopicPartition(topic, partition.partition()));
        }
        return consumer.endOffsets(partitions).values().stream().mapToLong(Long::longValue).sum();
    }
}
