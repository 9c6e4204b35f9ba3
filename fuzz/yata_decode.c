/* yata_decode.c: any bytes as whatever libyata decodes without a document: an update and a
 * snapshot, of both formats. Nothing else is done with them, so that this target comes far: what an
 * update does to a document is yata_update's and yata_update_v2's.
 *
 * Promised: all functions take what the check takes, and refuse what it refuses, leaving what they
 * were to fill alone; a snapshot that was read is written as one that reads the same.
 */
#include "yata_support.h"

static void expect_same_answer(enum yata_format format, const uint8_t *data, size_t size) {
    struct yata_error why = {0};
    bool taken = yata_check_update_as(format, data, size, &why) == YATA_OK;
    promise("what is refused has a reason", taken || why.what[0]);
    struct yata_update_range *ranges = NULL;
    struct yata_update_range *deletions = NULL;
    struct yata_struct *structs = NULL;
    struct yata_bytes vector = {0};
    size_t n[3] = {0};
    promise("ranges",
            taken == (yata_update_meta_as(format, data, size, &ranges, &n[0], NULL) == YATA_OK));
    promise("structs",
            taken == (yata_update_structs(format, data, size, &structs, &n[1], NULL) == YATA_OK));
    promise("deletions", taken == (yata_update_deletions(format, data, size, &deletions, &n[2],
                                                         NULL) == YATA_OK));
    promise("state vector", taken == (yata_state_vector_from_update_as(format, data, size, &vector,
                                                                       NULL) == YATA_OK));
    promise("what is refused hands out nothing",
            taken || (!ranges && !structs && !deletions && !vector.p && !n[0] && !n[1] && !n[2]));
    free(ranges);
    free(structs);
    free(deletions);
    yata_bytes_fini(&vector);
}

static void expect_same_snapshot(enum yata_format format, const uint8_t *data, size_t size) {
    struct yata_snapshot first = {0};
    struct yata_snapshot second = {0};
    struct yata_bytes written = {0};
    if (yata_snapshot_decode(format, data, size, &first, NULL) != YATA_OK) {
        return;
    }
    promise("a snapshot is written", yata_snapshot_encode(&first, format, &written) == YATA_OK);
    promise("and read",
            yata_snapshot_decode(format, written.p, written.n, &second, NULL) == YATA_OK);
    promise("as the same", yata_snapshot_equal(&first, &second));
    yata_bytes_fini(&written);
    yata_snapshot_fini(&first);
    yata_snapshot_fini(&second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    expect_same_answer(YATA_V1, data, size);
    expect_same_answer(YATA_V2, data, size);
    expect_same_snapshot(YATA_V1, data, size);
    expect_same_snapshot(YATA_V2, data, size);
    return 0;
}
