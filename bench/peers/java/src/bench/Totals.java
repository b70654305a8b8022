package bench;

import java.util.HashMap;
import java.util.Map;
import java.util.TreeMap;
import org.apache.avro.util.Utf8;

/** Count, sum and running average per product. */
final class Totals {
    private static final class Total {
        long count;
        long sum;
        double average;
    }

    private final Map<Utf8, Total> products = new HashMap<>();
    private long records;

    void add(Utf8 product, long minorUnits) {
        Total total = products.get(product);
        if (total == null) {
            total = new Total();
            products.put(new Utf8(product), total);
        }
        total.count++;
        total.sum += minorUnits;
        total.average = (double) total.sum / total.count;
        records++;
    }

    long records() {
        return records;
    }

    /** `"products": {"P1": [count, sum]}`, what the peers are compared by. */
    String json() {
        StringBuilder json = new StringBuilder("\"products\": {");
        String separator = "";
        for (Map.Entry<Utf8, Total> entry : new TreeMap<>(products).entrySet()) {
            Total total = entry.getValue();
            json.append(separator).append('"').append(entry.getKey()).append("\": [");
            json.append(total.count).append(", ").append(total.sum).append(']');
            separator = ", ";
        }
        return json.append('}').toString();
    }
}
