package example;

import java.time.DateTimeException;
import java.time.ZoneId;
import java.time.ZonedDateTime;
import java.time.format.DateTimeFormatter;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.atomic.AtomicLong;
import org.springframework.http.HttpStatus;
import org.springframework.web.bind.annotation.GetMapping;
import org.springframework.web.bind.annotation.PathVariable;
import org.springframework.web.bind.annotation.PostMapping;
import org.springframework.web.bind.annotation.RequestBody;
import org.springframework.web.bind.annotation.RequestParam;
import org.springframework.web.bind.annotation.ResponseStatus;
import org.springframework.web.bind.annotation.RestController;
import org.springframework.web.server.ResponseStatusException;

/** Takes orders and tells of them; they live as long as the process. */
@RestController
public class Orders {
    private final AtomicLong last = new AtomicLong();
    private final List<Order> orders = new CopyOnWriteArrayList<>();

    /** What somebody wants, and how many of it. */
    public record Wish(String item, Integer count) {}

    /** A wish that was taken. */
    public record Order(long id, String item, int count) {}

    @GetMapping(value = "/", produces = "text/plain")
    String hello() {
        return "Hello from Spring Boot\n";
    }

    @GetMapping("/orders")
    List<Order> all() {
        return orders;
    }

    @GetMapping("/orders/{id}")
    Order one(@PathVariable long id) {
        return orders.stream()
                .filter(order -> order.id() == id)
                .findFirst()
                .orElseThrow(() -> new ResponseStatusException(HttpStatus.NOT_FOUND));
    }

    @PostMapping("/orders")
    @ResponseStatus(HttpStatus.CREATED)
    Order add(@RequestBody Wish wish) {
        if (wish.item() == null || wish.item().isBlank() || wish.count() == null || wish.count() < 1) {
            throw new ResponseStatusException(HttpStatus.BAD_REQUEST, "an item, and how many of it");
        }
        Order order = new Order(last.incrementAndGet(), wish.item(), wish.count());
        orders.add(order);
        return order;
    }

    /** The time somewhere: Java brings the time zones itself. */
    @GetMapping(value = "/time", produces = "text/plain")
    String time(@RequestParam String zone) {
        try {
            return ZonedDateTime.now(ZoneId.of(zone)).format(DateTimeFormatter.ISO_OFFSET_DATE_TIME);
        } catch (DateTimeException unknown) {
            throw new ResponseStatusException(HttpStatus.BAD_REQUEST, "unknown zone", unknown);
        }
    }
}
