import java.io.IOException;
import java.io.InputStream;
import java.net.HttpURLConnection;
import java.net.URI;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Base64;

/** Rows on their way to the warehouse as RowBinary, in batches. For one thread. */
final class Rows {
    private static final String INSERT =
            "INSERT INTO peer_visits (key, event_id, type, occurred_at, visit, touchpoints) FORMAT RowBinary";

    private final URI address;
    private final String authorization;
    private final int flushRows;
    private byte[] buffer = new byte[1 << 20];
    private int size;
    private int rows;

    Rows(String url, int flushRows) {
        URI given = URI.create(url);
        String query = "database=" + given.getPath().substring(1) + "&query="
                + URLEncoder.encode(INSERT, StandardCharsets.UTF_8);
        address = URI.create("http://" + given.getHost() + ":" + given.getPort() + "/?" + query);
        authorization = "Basic "
                + Base64.getEncoder().encodeToString(given.getUserInfo().getBytes(StandardCharsets.UTF_8));
        this.flushRows = flushRows;
    }

    void add(String key, String id, String type, long occurredAt, int visit, int touchpoints) throws IOException {
        text(key);
        text(id);
        text(type);
        little(occurredAt, 8);
        little(visit, 4);
        little(touchpoints, 4);
        rows++;
        if (rows >= flushRows) {
            flush();
        }
    }

    void flush() throws IOException {
        if (rows == 0) {
            return;
        }
        HttpURLConnection connection = (HttpURLConnection) address.toURL().openConnection();
        connection.setRequestMethod("POST");
        connection.setRequestProperty("Authorization", authorization);
        connection.setDoOutput(true);
        connection.setFixedLengthStreamingMode(size);
        connection.getOutputStream().write(buffer, 0, size);
        if (connection.getResponseCode() != 200) {
            try (InputStream told = connection.getErrorStream()) {
                throw new IOException(told == null ? "refused" : new String(told.readAllBytes(), StandardCharsets.UTF_8));
            }
        }
        try (InputStream answer = connection.getInputStream()) {
            answer.readAllBytes();
        }
        size = 0;
        rows = 0;
    }

    private void text(String value) {
        byte[] bytes = value.getBytes(StandardCharsets.UTF_8);
        int length = bytes.length;
        room(length + 5);
        while (length >= 0x80) {
            buffer[size++] = (byte) (length | 0x80);
            length >>>= 7;
        }
        buffer[size++] = (byte) length;
        System.arraycopy(bytes, 0, buffer, size, bytes.length);
        size += bytes.length;
    }

    private void little(long value, int bytes) {
        room(bytes);
        for (int number = 0; number < bytes; number++) {
            buffer[size++] = (byte) (value >>> (8 * number));
        }
    }

    private void room(int bytes) {
        if (size + bytes > buffer.length) {
            buffer = Arrays.copyOf(buffer, buffer.length * 2);
        }
    }
}
