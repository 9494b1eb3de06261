"""The shapes of the benchmark, named once. All arrays are float32, labels int32 (in torch int64, as it wants)."""

# Elements of a loss that has one value per element: in the cache, and far out of it.
ELEMENTWISE = {"1M": (1 << 20,), "16M": (1 << 24,)}

# Rows x classes of a loss over classes.
DIGITS = {"65536x10": (65536, 10)}
IMAGES = {"8192x1000": (8192, 1000)}
TOKENS = {"256x32000": (256, 32000)}
MANY_TOKENS = {"4096x32000": (4096, 32000)}  # 524 MB of logits, and as much of gradient

# Batch x frames x classes x labels of a sequence loss, nothing padded.
SEQUENCES = {
    "16x200x32x40": (16, 200, 32, 40),
    "32x500x128x100": (32, 500, 128, 100),
    "8x1000x1024x200": (8, 1000, 1024, 200),
}

ROWS = DIGITS | IMAGES | TOKENS
LABELLED = ROWS | MANY_TOKENS
