import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.time.Duration;
import java.util.Properties;
import org.apache.avro.generic.GenericRecord;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.processor.PunctuationType;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.Stores;

/** Kafka Streams: two threads, the state of every key in memory with a cache before its changelog topic. */
public final class StreamsPeer {
    private static final int FLUSH_ROWS = 10_000;
    private static final String STORE = "visits";

    public static void main(String[] arguments) throws IOException {
        Job job = new Job(arguments);
        StreamsBuilder builder = new StreamsBuilder();
        builder.addStateStore(
                Stores.keyValueStoreBuilder(Stores.inMemoryKeyValueStore(STORE), Serdes.String(), Serdes.ByteArray())
                        .withCachingEnabled());
        builder.stream(job.topics, Consumed.with(Serdes.String(), Serdes.ByteArray()))
                .process(() -> new Stitch(job), STORE);
        Properties settings = new Properties();
        settings.put(StreamsConfig.APPLICATION_ID_CONFIG, job.group);
        settings.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, job.bootstrap);
        settings.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, 2);
        settings.put(StreamsConfig.STATE_DIR_CONFIG, Files.createTempDirectory(job.schemas, "streams-").toString());
        settings.put(StreamsConfig.STATESTORE_CACHE_MAX_BYTES_CONFIG, 64L << 20);
        settings.put(StreamsConfig.consumerPrefix(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG), "earliest");
        settings.put(StreamsConfig.consumerPrefix(ConsumerConfig.MAX_POLL_RECORDS_CONFIG), 5_000);
        KafkaStreams streams = new KafkaStreams(builder.build(), settings);
        Runtime.getRuntime().addShutdownHook(new Thread(() -> streams.close(Duration.ofSeconds(2))));
        streams.start();
    }

    /** Puts every event into the visit of its key. One for each task. */
    private static final class Stitch implements Processor<String, byte[], Void, Void> {
        private final Job.Decoder decoder;
        private final Rows rows;
        private KeyValueStore<String, byte[]> states;

        Stitch(Job job) {
            decoder = new Job.Decoder(job.schemas);
            rows = new Rows(job.url, FLUSH_ROWS);
        }

        @Override
        public void init(ProcessorContext<Void, Void> context) {
            states = context.getStateStore(STORE);
            context.schedule(Duration.ofMillis(500), PunctuationType.WALL_CLOCK_TIME, moment -> flush());
        }

        @Override
        public void process(Record<String, byte[]> record) {
            try {
                GenericRecord event = decoder.decode(record.value());
                long at = (Long) event.get("occurred_at");
                byte[] found = states.get(record.key());
                ByteBuffer state = ByteBuffer.wrap(found == null ? new byte[16] : found.clone());
                long latest = found == null ? at : state.getLong(0);
                boolean isNew = found == null || at - latest > Job.VISIT_GAP_MS;
                int visit = state.getInt(8) + (isNew ? 1 : 0);
                int touchpoints = isNew ? 1 : state.getInt(12) + 1;
                state.putLong(0, Math.max(at, latest)).putInt(8, visit).putInt(12, touchpoints);
                states.put(record.key(), state.array());
                rows.add(record.key(), event.get("id").toString(), event.get("type").toString(), at, visit, touchpoints);
            } catch (IOException error) {
                throw new UncheckedIOException(error);
            }
        }

        @Override
        public void close() {
            flush();
        }

        private void flush() {
            try {
                rows.flush();
            } catch (IOException error) {
                throw new UncheckedIOException(error);
            }
        }
    }
}
