// Writes the fixture's records with Kafka's own clients, and reads them back with a read_committed consumer.
// Started by make_fixture.mjs, which also runs the broker: java FixtureRecords.java <bootstrap> write|read <file>
import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Base64;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

public class FixtureRecords {
    static final String[] COMPRESSIONS = {"none", "gzip", "snappy", "lz4", "zstd"};
    static final List<String> TOPICS = List.of("events", "appended", "trimmed", "compacted");
    /** The time of the first record; each later one is a second after the one before. */
    static long time = 1_700_000_000_000L;
    static String bootstrap;

    public static void main(String[] args) throws Exception {
        bootstrap = args[0];
        if (args[1].equals("write")) write();
        else read(Path.of(args[2]));
        // Leaves without closing, so that the unfinished transaction is not aborted on the way out.
        Runtime.getRuntime().halt(0);
    }

    static void write() throws Exception {
        try (Admin admin = Admin.create(Map.of("bootstrap.servers", bootstrap))) {
            Map<String, String> small = Map.of(
                "internal.segment.bytes", "2048", "index.interval.bytes", "256", "retention.ms", "-1");
            List<NewTopic> topics = new ArrayList<>();
            topics.add(new NewTopic("events", 2, (short) 1).configs(small));
            topics.add(new NewTopic("appended", 2, (short) 1)
                .configs(with(small, "message.timestamp.type", "LogAppendTime")));
            topics.add(new NewTopic("trimmed", 1, (short) 1).configs(small));
            topics.add(new NewTopic("compacted", 1, (short) 1).configs(with(
                with(small, "cleanup.policy", "compact"), "min.cleanable.dirty.ratio", "0.01")));
            admin.createTopics(topics).all().get();

            everyShape();
            appended();
            compacted();
            trimmed(admin);
            transactions();
        }
    }

    static Map<String, String> with(Map<String, String> config, String name, String value) {
        Map<String, String> more = new HashMap<>(config);
        more.put(name, value);
        return more;
    }

    /** events-0: every compression, headers, nulls, times that go back, in batches of several sizes. */
    static void everyShape() {
        for (int round = 0; round < 3; round++) {
            for (String compression : COMPRESSIONS) {
                try (KafkaProducer<byte[], byte[]> producer = producer(compression, null)) {
                    for (int i = 0; i < 6; i++) {
                        send(producer, "events", 0, "key-" + i, text(compression, round, i),
                            List.of(header("compression", compression), header("round", "" + round)));
                    }
                    producer.flush();
                    send(producer, "events", 0, "single", compression + " alone", List.of());
                }
            }
        }
        try (KafkaProducer<byte[], byte[]> producer = producer("none", null)) {
            send(producer, "events", 0, null, "null key", List.of());
            send(producer, "events", 0, "null value", null, List.of());
            send(producer, "events", 0, null, null, List.of());
            send(producer, "events", 0, "", "", List.of());
            send(producer, "events", 0, "headers", "twice, null, empty, not ASCII", List.of(
                header("trace", "first"), header("trace", "second"), header("none", null), header("empty", ""),
                header("", "no name"), header("Größe ✓", "groß")));
            producer.flush();
            long now = time;
            for (long back : new long[] {0, 5_000, 60_000, 1}) {
                time = now - back;
                send(producer, "events", 0, "back", "by " + back + " ms", List.of());
            }
            time = now + 1_000;
        }
    }

    /** appended-0: the broker's time instead of the producer's. appended-1 stays empty. */
    static void appended() {
        for (String compression : COMPRESSIONS) {
            try (KafkaProducer<byte[], byte[]> producer = producer(compression, null)) {
                for (int i = 0; i < 20; i++) {
                    send(producer, "appended", 0, "key-" + i, text(compression, 0, i), List.of());
                    if (i % 5 == 4) producer.flush();
                }
            }
        }
    }

    /** compacted-0: keys written over and deleted, in batches that lose some, all or none of their records. */
    static void compacted() {
        for (int turn = 0; turn < 5; turn++) {
            // Of each producer the last batch stays, if only as an empty one; those before it may go altogether.
            try (KafkaProducer<byte[], byte[]> producer = producer(COMPRESSIONS[turn], null)) {
                for (int batch = 0; batch < 5; batch++) {
                    for (int i = 0; i < 6; i++) {
                        boolean deleted = turn == 1 && batch == 4 && i == 5;
                        boolean once = batch == 1 && i == 3;
                        String key = once ? "only-" + turn : "key-" + (deleted ? "deleted" : i);
                        String value = deleted ? null : text("compacted", turn, batch * 6 + i);
                        send(producer, "compacted", 0, key, value, List.of());
                    }
                    producer.flush();
                }
            }
        }
    }

    /** trimmed-0: the log starts in the middle of a batch, in a segment that is not the first one written. */
    static void trimmed(Admin admin) throws Exception {
        try (KafkaProducer<byte[], byte[]> producer = producer("none", null)) {
            for (int i = 0; i < 60; i++) {
                send(producer, "trimmed", 0, "key-" + i, text("trimmed", 0, i), List.of());
                if (i % 4 == 3) producer.flush();
            }
        }
        TopicPartition partition = new TopicPartition("trimmed", 0);
        admin.deleteRecords(Map.of(partition, RecordsToDelete.beforeOffset(30))).all().get();
    }

    /** events-1: transactions committed, aborted, interleaved, over several segments; the last is not finished. */
    static void transactions() {
        try (KafkaProducer<byte[], byte[]> plain = producer("none", null)) {
            send(plain, "events", 1, "plain", "before any transaction", List.of());
        }
        KafkaProducer<byte[], byte[]> one = producer("gzip", "one");
        KafkaProducer<byte[], byte[]> two = producer("none", "two");
        KafkaProducer<byte[], byte[]> three = producer("lz4", "three");
        for (KafkaProducer<byte[], byte[]> producer : List.of(one, two, three)) producer.initTransactions();

        one.beginTransaction();
        sendMany(one, 1, "committed", 3);
        sendMany(one, 0, "committed in both partitions", 1);
        one.commitTransaction();

        two.beginTransaction();
        sendMany(two, 1, "aborted", 3);
        two.flush();
        two.abortTransaction();

        // Two at once: the aborted one begins first and ends last, a few segments on.
        two.beginTransaction();
        sendMany(two, 1, "aborted around others", 2);
        two.flush();
        for (int i = 0; i < 4; i++) {
            one.beginTransaction();
            sendMany(one, 1, "committed inside", 12);
            one.commitTransaction();
        }
        sendMany(two, 1, "aborted around others", 2);
        two.flush();
        two.abortTransaction();

        // Committed over a segment's end, with an aborted one inside.
        two.beginTransaction();
        sendMany(two, 1, "committed around others", 10);
        two.flush();
        three.beginTransaction();
        sendMany(three, 1, "aborted inside", 9);
        three.flush();
        three.abortTransaction();
        sendMany(two, 1, "committed around others", 10);
        two.commitTransaction();

        // The same producer commits right after an abort.
        three.beginTransaction();
        sendMany(three, 1, "committed after an abort", 2);
        three.commitTransaction();

        try (KafkaProducer<byte[], byte[]> plain = producer("zstd", null)) {
            for (int i = 0; i < 8; i++) send(plain, "events", 1, "plain", text("plain", 0, i), List.of());
        }
        one.beginTransaction();
        sendMany(one, 1, "never finished", 3);
        one.flush();
    }

    static void sendMany(KafkaProducer<byte[], byte[]> producer, int partition, String what, int count) {
        for (int i = 0; i < count; i++) {
            send(producer, "events", partition, what, text(what, 0, i), List.of(header("transaction", what)));
        }
    }

    static String text(String what, int round, int i) {
        return what + " " + round + "." + i + " " + "lorem ipsum ".repeat(1 + (i * 7 + round * 3) % 5);
    }

    static Header header(String name, String value) {
        return new RecordHeader(name, bytes(value));
    }

    static byte[] bytes(String text) {
        return text == null ? null : text.getBytes(StandardCharsets.UTF_8);
    }

    static void send(KafkaProducer<byte[], byte[]> producer, String topic, int partition, String key, String value,
                     List<Header> headers) {
        producer.send(new ProducerRecord<>(topic, partition, time, bytes(key), bytes(value), headers),
            (metadata, error) -> {
                if (error == null) return;
                error.printStackTrace();
                Runtime.getRuntime().halt(1);
            });
        time += 1_000;
    }

    /** An idempotent producer, a transactional one if it gets an id. */
    static KafkaProducer<byte[], byte[]> producer(String compression, String transactionalId) {
        Properties config = new Properties();
        config.put("bootstrap.servers", bootstrap);
        config.put("compression.type", compression);
        config.put("linger.ms", "5000");
        config.put("enable.idempotence", "true");
        if (transactionalId != null) {
            config.put("transactional.id", transactionalId);
            config.put("transaction.timeout.ms", "900000");
        }
        return new KafkaProducer<>(config, new ByteArraySerializer(), new ByteArraySerializer());
    }

    /** One line a partition with its ends, then one line a record that a read_committed consumer gets. */
    static void read(Path file) throws Exception {
        Properties config = new Properties();
        config.put("bootstrap.servers", bootstrap);
        config.put("isolation.level", "read_committed");
        config.put("auto.offset.reset", "earliest");
        config.put("enable.auto.commit", "false");
        List<ConsumerRecord<byte[], byte[]>> records = new ArrayList<>();
        try (Admin admin = Admin.create(Map.of("bootstrap.servers", bootstrap));
             KafkaConsumer<byte[], byte[]> consumer =
                 new KafkaConsumer<>(config, new ByteArrayDeserializer(), new ByteArrayDeserializer());
             PrintWriter out = new PrintWriter(Files.newBufferedWriter(file))) {
            List<TopicPartition> partitions = TOPICS.stream().flatMap(topic -> consumer.partitionsFor(topic).stream())
                .map(info -> new TopicPartition(info.topic(), info.partition()))
                .sorted(Comparator.comparing(TopicPartition::toString)).collect(Collectors.toList());
            consumer.assign(partitions);
            consumer.seekToBeginning(partitions);
            Map<TopicPartition, Long> starts = consumer.beginningOffsets(partitions);
            Map<TopicPartition, Long> stable = consumer.endOffsets(partitions);
            while (partitions.stream().anyMatch(p -> consumer.position(p) < stable.get(p))) {
                consumer.poll(Duration.ofMillis(200)).forEach(records::add);
            }
            for (TopicPartition p : partitions) {
                // An admin client reads uncommitted unless told otherwise: this is the end of the log.
                long end = admin.listOffsets(Map.of(p, OffsetSpec.latest())).partitionResult(p).get().offset();
                out.printf("{\"topic\":\"%s\",\"partition\":%d,\"start\":%d,\"stable\":%d,\"end\":%d}%n",
                    p.topic(), p.partition(), starts.get(p), stable.get(p), end);
            }
            records.sort(Comparator.comparing((ConsumerRecord<byte[], byte[]> r) -> r.topic())
                .thenComparing(r -> r.partition()).thenComparing(r -> r.offset()));
            for (ConsumerRecord<byte[], byte[]> r : records) {
                String headers = Stream.of(r.headers().toArray())
                    .map(h -> "[" + base64(bytes(h.key())) + "," + base64(h.value()) + "]")
                    .collect(Collectors.joining(","));
                out.printf(
                    "{\"topic\":\"%s\",\"partition\":%d,\"offset\":%d,\"timestamp\":%d,\"timestampType\":\"%s\","
                        + "\"key\":%s,\"value\":%s,\"headers\":[%s]}%n",
                    r.topic(), r.partition(), r.offset(), r.timestamp(), r.timestampType(), base64(r.key()),
                    base64(r.value()), headers);
            }
        }
    }

    static String base64(byte[] bytes) {
        return bytes == null ? "null" : '"' + Base64.getEncoder().encodeToString(bytes) + '"';
    }
}
