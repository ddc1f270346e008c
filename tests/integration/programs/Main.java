import java.awt.Font;
import java.awt.image.BufferedImage;
import java.nio.charset.Charset;
import java.security.KeyStore;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;
import javax.net.ssl.X509TrustManager;

/** What Java programs lean on: an encoding, certificates, zones, and with an argument drawn text. */
public class Main {
    public static void main(String[] words) throws Exception {
        System.out.println("version " + Runtime.version().feature());
        System.out.println("encoding " + Charset.defaultCharset() + " " + System.getProperty("sun.jnu.encoding"));
        TrustManagerFactory factory =
            TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
        factory.init((KeyStore) null);
        X509TrustManager manager = (X509TrustManager) factory.getTrustManagers()[0];
        System.out.println("issuers " + (manager.getAcceptedIssuers().length > 100));
        System.out.println("tls " + SSLContext.getDefault().getProtocol());
        System.out.println("zone " + java.time.ZoneId.of("Europe/Berlin"));
        System.out.println("child " + (new ProcessBuilder("/nothing").command().size()));
        if (words.length > 0) {
            BufferedImage image = new BufferedImage(100, 20, BufferedImage.TYPE_INT_RGB);
            var graphics = image.createGraphics();
            graphics.setFont(new Font(Font.SANS_SERIF, Font.PLAIN, 12));
            System.out.println("text " + (graphics.getFontMetrics().stringWidth("distroless") > 30));
        }
    }
}
