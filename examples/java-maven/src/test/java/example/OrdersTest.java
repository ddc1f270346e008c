package example;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.junit.jupiter.api.Test;
import org.springframework.web.server.ResponseStatusException;

class OrdersTest {
    private final Orders orders = new Orders();

    @Test
    void anOrderIsKept() {
        Orders.Order order = orders.add(new Orders.Wish("tea", 2));
        assertThat(orders.one(order.id())).isEqualTo(order);
        assertThat(orders.all()).containsExactly(order);
    }

    @Test
    void anOrderOfNothingIsRefused() {
        assertThatThrownBy(() -> orders.add(new Orders.Wish(" ", 1)))
                .isInstanceOf(ResponseStatusException.class);
    }
}
