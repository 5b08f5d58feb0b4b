import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.apache.avro.Schema;
import org.apache.avro.generic.GenericDatumReader;
import org.apache.avro.generic.GenericRecord;
import org.apache.avro.io.BinaryDecoder;
import org.apache.avro.io.DecoderFactory;

/** What a contestant is told, the rule of a visit, and how a record is decoded. */
final class Job {
    static final long VISIT_GAP_MS = 30 * 60_000L;
    /** Before the payload: two bytes of marker, eight of the schema's fingerprint. */
    static final int PREFIX_BYTES = 10;

    final String bootstrap;
    final String url;
    final Path schemas;
    final List<String> topics;
    final String group;

    Job(String[] arguments) {
        bootstrap = arguments[0];
        url = arguments[1];
        schemas = Path.of(arguments[2]);
        topics = List.of(arguments[3].split(","));
        group = arguments[5];
    }

    /** A decoder for one thread. */
    static final class Decoder {
        private final Map<Long, GenericDatumReader<GenericRecord>> readers = new HashMap<>();
        private BinaryDecoder decoder;
        private GenericRecord reused;

        Decoder(Path schemas) {
            try (Stream<Path> files = Files.list(schemas)) {
                for (Path file : files.toList()) {
                    String name = file.getFileName().toString();
                    if (name.endsWith(".avsc")) {
                        Schema schema = new Schema.Parser().parse(Files.readString(file));
                        long fingerprint = Long.parseUnsignedLong(name.substring(0, 16), 16);
                        readers.put(fingerprint, new GenericDatumReader<>(schema));
                    }
                }
            } catch (IOException error) {
                throw new IllegalStateException("the schemas cannot be read", error);
            }
        }

        GenericRecord decode(byte[] value) throws IOException {
            long fingerprint = ByteBuffer.wrap(value).order(ByteOrder.BIG_ENDIAN).getLong(2);
            decoder = DecoderFactory.get().binaryDecoder(value, PREFIX_BYTES, value.length - PREFIX_BYTES, decoder);
            GenericDatumReader<GenericRecord> reader = readers.get(fingerprint);
            reused = reader.read(reused != null && reused.getSchema() == reader.getSchema() ? reused : null, decoder);
            return reused;
        }
    }
}
