package bench;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import net.openhft.hashing.LongHashFunction;

/** The simulated failures of our engine (engine/src/faults.rs): the same order and try fail here and there. */
final class Faults {
    private final double percent;
    private final LongHashFunction[] tries = new LongHashFunction[32];

    Faults(long seed, double percent) {
        this.percent = percent;
        for (int attempt = 0; attempt < tries.length; attempt++) {
            byte[] mixed = ByteBuffer.allocate(16).order(ByteOrder.LITTLE_ENDIAN).putLong(seed).putLong(1L + attempt).array();
            tries[attempt] = LongHashFunction.xx3(LongHashFunction.xx3().hashBytes(mixed));
        }
    }

    /** Whether try `attempt` (1 = the first, as our worker counts) of an order fails. */
    boolean fails(byte[] id, int length, int attempt) {
        double share = (tries[attempt].hashBytes(id, 0, length) >>> 11) / (double) (1L << 53);
        return share * 100.0 < percent;
    }
}
