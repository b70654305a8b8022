package bench;

import io.confluent.parallelconsumer.ParallelConsumerOptions;
import io.confluent.parallelconsumer.ParallelConsumerOptions.ProcessingOrder;
import io.confluent.parallelconsumer.ParallelStreamProcessor;
import io.confluent.parallelconsumer.RecordContext;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Properties;
import java.util.concurrent.CountDownLatch;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.PartitionInfo;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/** Confluent's Parallel Consumer: key order, 64 threads, tries that fail are repeated after 1, 2, 4 s, then dead-lettered. */
final class Parallel {
    private static final int MAX_RETRIES = 3;

    private final Arguments given;
    private final Faults faults;
    private final ThreadLocal<OrderReader> readers;
    private final KafkaProducer<byte[], byte[]> deadLetters;
    private final Result result = new Result();
    private final Totals totals = new Totals();
    private final CountDownLatch done = new CountDownLatch(1);
    private long expected;
    private long attempts;
    private long dead;
    private double secondsAt85;

    private Parallel(Arguments given) {
        this.given = given;
        faults = new Faults(Long.parseLong(given.get("--seed")), Double.parseDouble(given.get("--failure-percent")));
        readers = ThreadLocal.withInitial(() -> {
            try {
                return new OrderReader(given.get("--schema"));
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        });
        Properties settings = new Properties();
        settings.put("bootstrap.servers", given.get("--bootstrap-servers"));
        settings.put("acks", "all");
        settings.put("linger.ms", "5");
        settings.put("key.serializer", ByteArraySerializer.class.getName());
        settings.put("value.serializer", ByteArraySerializer.class.getName());
        deadLetters = new KafkaProducer<>(settings);
    }

    public static void main(String[] arguments) throws Exception {
        new Parallel(new Arguments(arguments)).run();
        // It leaves threads behind that would keep the process alive.
        Runtime.getRuntime().halt(0);
    }

    private void run() throws Exception {
        String topic = given.get("--topic");
        Properties settings = new Properties();
        settings.put("bootstrap.servers", given.get("--bootstrap-servers"));
        settings.put("group.id", given.get("--group-id"));
        settings.put("auto.offset.reset", "earliest");
        settings.put("enable.auto.commit", "false");
        settings.put("check.crcs", "false");
        settings.put("key.deserializer", ByteArrayDeserializer.class.getName());
        settings.put("value.deserializer", ByteArrayDeserializer.class.getName());
        KafkaConsumer<byte[], byte[]> consumer = new KafkaConsumer<>(settings);
        List<TopicPartition> partitions = new ArrayList<>();
        for (PartitionInfo partition : consumer.partitionsFor(topic)) {
            partitions.add(new TopicPartition(topic, partition.partition()));
        }
        expected = consumer.endOffsets(partitions).values().stream().mapToLong(Long::longValue).sum();
        ParallelConsumerOptions<byte[], byte[]> options = ParallelConsumerOptions.<byte[], byte[]>builder()
                .consumer(consumer)
                .ordering(ProcessingOrder.KEY)
                .maxConcurrency(64)
                .retryDelayProvider(record -> Duration.ofSeconds(1L << (record.getNumberOfFailedAttempts() - 1)))
                .build();
        ParallelStreamProcessor<byte[], byte[]> processor = ParallelStreamProcessor.createEosStreamProcessor(options);
        processor.subscribe(List.of(topic));
        processor.poll(context -> handle(context.getSingleRecord()));
        done.await();
        String line;
        synchronized (this) {
            line = String.format(Locale.ROOT, "{%s, \"secondsAt85\": %.4f, \"attempts\": %d, \"deadLettered\": %d, %s}",
                    result.json(expected), secondsAt85, attempts, dead, totals.json());
        }
        System.out.println(line);
        System.out.flush();
    }

    private void handle(RecordContext<byte[], byte[]> record) {
        OrderReader reader = readers.get();
        try {
            reader.read(record.value());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        int attempt = 1 + record.getNumberOfFailedAttempts();
        boolean fails = faults.fails(reader.id().getBytes(), reader.id().getByteLength(), attempt);
        count();
        if (!fails) {
            resolved(reader);
            return;
        }
        if (attempt <= MAX_RETRIES) {
            throw new IllegalStateException("simulated failure");
        }
        try {
            deadLetters.send(new ProducerRecord<>(given.get("--dead-letter-topic"), record.key(), record.value())).get();
        } catch (Exception e) {
            throw new IllegalStateException(e);
        }
        resolved(null);
    }

    private synchronized void count() {
        if (attempts == 0) {
            result.start();
        }
        attempts++;
    }

    private synchronized void resolved(OrderReader succeeded) {
        if (succeeded == null) {
            dead++;
        } else {
            totals.add(succeeded.product(), succeeded.minorUnits());
        }
        if (secondsAt85 == 0 && totals.records() + dead >= expected * 85 / 100) {
            secondsAt85 = result.seconds();
        }
        if (totals.records() + dead == expected) {
            done.countDown();
        }
    }
}
