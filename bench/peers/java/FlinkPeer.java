import java.io.IOException;
import java.io.Serializable;
import org.apache.avro.generic.GenericRecord;
import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.api.common.functions.OpenContext;
import org.apache.flink.api.common.state.ValueState;
import org.apache.flink.api.common.state.ValueStateDescriptor;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.api.connector.sink2.Sink;
import org.apache.flink.api.connector.sink2.SinkWriter;
import org.apache.flink.api.connector.sink2.WriterInitContext;
import org.apache.flink.configuration.CheckpointingOptions;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.connector.kafka.source.KafkaSource;
import org.apache.flink.connector.kafka.source.enumerator.initializer.OffsetsInitializer;
import org.apache.flink.connector.kafka.source.reader.deserializer.KafkaRecordDeserializationSchema;
import org.apache.flink.core.execution.CheckpointingMode;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.streaming.api.functions.KeyedProcessFunction;
import org.apache.flink.util.Collector;
import org.apache.kafka.clients.consumer.ConsumerRecord;

/** Flink's DataStream API: two slots, keyed state on the heap, checkpoints every five seconds, a sink with batches. */
public final class FlinkPeer {
    private static final int SLOTS = 2;
    private static final int FLUSH_ROWS = 10_000;
    private static final long CHECKPOINT_MS = 5_000;

    public static void main(String[] arguments) throws Exception {
        Job job = new Job(arguments);
        Configuration settings = new Configuration();
        settings.set(CheckpointingOptions.CHECKPOINTS_DIRECTORY, job.schemas.resolve("flink").toUri().toString());
        settings.set(CheckpointingOptions.CHECKPOINT_STORAGE, "filesystem");
        StreamExecutionEnvironment flink = StreamExecutionEnvironment.createLocalEnvironment(SLOTS, settings);
        flink.enableCheckpointing(CHECKPOINT_MS, CheckpointingMode.AT_LEAST_ONCE);
        flink.getConfig().enableObjectReuse();
        KafkaSource<Event> source = KafkaSource.<Event>builder()
                .setBootstrapServers(job.bootstrap)
                .setGroupId(job.group)
                .setTopics(job.topics)
                .setStartingOffsets(OffsetsInitializer.earliest())
                .setBounded(OffsetsInitializer.latest())
                .setDeserializer(new Touchpoints(job.schemas.toString()))
                .build();
        flink.fromSource(source, WatermarkStrategy.noWatermarks(), "touchpoints")
                .keyBy(event -> event.key)
                .process(new Stitch())
                .sinkTo(new Warehouse(job.url));
        flink.execute("bench");
    }

    /** What the job keeps of a record, and its visit. */
    public static final class Event {
        public String key;
        public String id;
        public String type;
        public long occurredAt;
        public int visit;
        public int touchpoints;
    }

    /** The state of a key. */
    public static final class State {
        public long latest;
        public int visit;
        public int touchpoints;
    }

    private static final class Touchpoints implements KafkaRecordDeserializationSchema<Event> {
        private final String schemas;
        private transient Job.Decoder decoder;

        Touchpoints(String schemas) {
            this.schemas = schemas;
        }

        @Override
        public void deserialize(ConsumerRecord<byte[], byte[]> record, Collector<Event> out) throws IOException {
            if (decoder == null) {
                decoder = new Job.Decoder(java.nio.file.Path.of(schemas));
            }
            GenericRecord decoded = decoder.decode(record.value());
            Event event = new Event();
            event.key = new String(record.key(), java.nio.charset.StandardCharsets.UTF_8);
            event.id = decoded.get("id").toString();
            event.type = decoded.get("type").toString();
            event.occurredAt = (Long) decoded.get("occurred_at");
            out.collect(event);
        }

        @Override
        public TypeInformation<Event> getProducedType() {
            return TypeInformation.of(Event.class);
        }
    }

    private static final class Stitch extends KeyedProcessFunction<String, Event, Event> {
        private transient ValueState<State> states;

        @Override
        public void open(OpenContext context) {
            states = getRuntimeContext().getState(new ValueStateDescriptor<>("visit", State.class));
        }

        @Override
        public void processElement(Event event, Context context, Collector<Event> out) throws IOException {
            State state = states.value();
            if (state == null) {
                state = new State();
                state.latest = event.occurredAt;
            }
            if (state.visit == 0 || event.occurredAt - state.latest > Job.VISIT_GAP_MS) {
                state.visit++;
                state.touchpoints = 0;
            }
            state.latest = Math.max(state.latest, event.occurredAt);
            state.touchpoints++;
            states.update(state);
            event.visit = state.visit;
            event.touchpoints = state.touchpoints;
            out.collect(event);
        }
    }

    private static final class Warehouse implements Sink<Event>, Serializable {
        private final String url;

        Warehouse(String url) {
            this.url = url;
        }

        @Override
        public SinkWriter<Event> createWriter(WriterInitContext context) {
            Rows rows = new Rows(url, FLUSH_ROWS);
            return new SinkWriter<>() {
                @Override
                public void write(Event event, Context unused) throws IOException {
                    rows.add(event.key, event.id, event.type, event.occurredAt, event.visit, event.touchpoints);
                }

                @Override
                public void flush(boolean isEnd) throws IOException {
                    rows.flush();
                }

                @Override
                public void close() {}
            };
        }
    }
}
