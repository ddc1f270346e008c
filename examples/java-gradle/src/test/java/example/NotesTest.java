package example;

import static org.junit.Assert.assertEquals;

import com.sun.net.httpserver.HttpServer;
import java.io.InputStream;
import java.net.URL;
import java.nio.charset.StandardCharsets;
import org.junit.Test;

public class NotesTest {
    @Test
    public void itIsWell() throws Exception {
        HttpServer server = new Notes().server(0);
        server.start();
        try {
            URL url = new URL("http://127.0.0.1:" + server.getAddress().getPort() + "/health");
            try (InputStream body = url.openStream()) {
                assertEquals("ok\n", new String(body.readAllBytes(), StandardCharsets.UTF_8));
            }
        } finally {
            server.stop(0);
        }
    }
}
