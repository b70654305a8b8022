package bench;

import com.sun.management.OperatingSystemMXBean;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;

/** The clock, wall and CPU, from the first record on, and the one line a peer prints. */
final class Result {
    private static final OperatingSystemMXBean SYSTEM =
            (OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();
    private long wall;
    private long cpu;

    void start() {
        wall = System.nanoTime();
        cpu = SYSTEM.getProcessCpuTime();
    }

    double seconds() {
        return (System.nanoTime() - wall) / 1e9;
    }

    /** Stops the clock and gives the members every peer prints. */
    String json(long records) throws IOException {
        return String.format(Locale.ROOT, "\"records\": %d, \"seconds\": %.4f, \"cpuSeconds\": %.4f, \"maxRssMiB\": %.1f",
                records, seconds(), (SYSTEM.getProcessCpuTime() - cpu) / 1e9, maxRssMiB());
    }

    private static double maxRssMiB() throws IOException {
        for (String line : Files.readAllLines(Path.of("/proc/self/status"))) {
            if (line.startsWith("VmHWM:")) {
                return Long.parseLong(line.replaceAll("\\D", "")) / 1024.0;
            }
        }
        return 0;
    }
}
