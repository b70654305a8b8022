package bench;

import java.io.File;
import java.io.IOException;
import org.apache.avro.Schema;
import org.apache.avro.generic.GenericDatumReader;
import org.apache.avro.generic.GenericRecord;
import org.apache.avro.io.BinaryDecoder;
import org.apache.avro.io.DecoderFactory;
import org.apache.avro.util.Utf8;

/** Avro bytes to an order, with everything Avro can reuse reused. One reader a thread. */
final class OrderReader {
    private final GenericDatumReader<GenericRecord> reader;
    private final int price;
    private final int priceMinor;
    private GenericRecord order;
    private BinaryDecoder decoder;

    OrderReader(String schemaFile) throws IOException {
        Schema schema = new Schema.Parser().parse(new File(schemaFile));
        reader = new GenericDatumReader<>(schema);
        price = schema.getField("price").pos();
        priceMinor = schema.getField("priceMinor").pos();
    }

    void read(byte[] value) throws IOException {
        decoder = DecoderFactory.get().binaryDecoder(value, decoder);
        order = reader.read(order, decoder);
    }

    /** Valid until the next read. */
    Utf8 id() {
        return (Utf8) order.get(0);
    }

    /** Valid until the next read. */
    Utf8 product() {
        return (Utf8) order.get(1);
    }

    long minorUnits() {
        Object minor = order.get(priceMinor);
        return minor != null ? (Long) minor : Math.round((Double) order.get(price) * 100);
    }
}
