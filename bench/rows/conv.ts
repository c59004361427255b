// Convolutions and pooling. conv.py has the same in PyTorch.
import { nn } from "firebrand";
import { both, r, type Rows } from "./row.ts";

const F = nn.functional;
/** Convolutions and pooling by shape. */
export const conv: Rows = {
  ...both(
    "conv 3x3, 64 channels 56x56, batch 4",
    () => [r(4, 64, 56, 56), r(64, 64, 3, 3)],
    (x, w) => F.conv2d(x!, w!, null, { padding: 1 }),
    2,
  ),
  ...both(
    "conv 3x3, 128 channels 28x28, batch 8",
    () => [r(8, 128, 28, 28), r(128, 128, 3, 3)],
    (x, w) => F.conv2d(x!, w!, null, { padding: 1 }),
    2,
  ),
  ...both(
    "conv 3x3, 256 channels 14x14, batch 8",
    () => [r(8, 256, 14, 14), r(256, 256, 3, 3)],
    (x, w) => F.conv2d(x!, w!, null, { padding: 1 }),
    2,
  ),
  ...both(
    "conv 7x7 stride 2, 3 to 64, 224x224",
    () => [r(1, 3, 224, 224), r(64, 3, 7, 7)],
    (x, w) => F.conv2d(x!, w!, null, { stride: 2, padding: 3 }),
    2,
  ),
  ...both(
    "conv 1x1, 256 to 64, 56x56, batch 4",
    () => [r(4, 256, 56, 56), r(64, 256, 1, 1)],
    (x, w) => F.conv2d(x!, w!),
    2,
  ),
  ...both(
    "conv 3x3, 1 to 32, 28x28, batch 64",
    () => [r(64, 1, 28, 28), r(32, 1, 3, 3)],
    (x, w) => F.conv2d(x!, w!, null, { padding: 1 }),
    2,
  ),
  ...both(
    "depthwise 3x3, 128 channels 56x56, batch 4",
    () => [r(4, 128, 56, 56), r(128, 1, 3, 3)],
    (x, w) => F.conv2d(x!, w!, null, { padding: 1, groups: 128 }),
    2,
  ),
  ...both(
    "conv1d 80 to 384, kernel 3, length 3000",
    () => [r(1, 80, 3000), r(384, 80, 3)],
    (x, w) => F.conv1d(x!, w!, null, { padding: 1 }),
    2,
  ),
  ...both(
    "transposed 4x4 stride 2, 128 to 64, 28x28, batch 4",
    () => [r(4, 128, 28, 28), r(128, 64, 4, 4)],
    (x, w) => F.convTranspose2d(x!, w!, null, { stride: 2, padding: 1 }),
    2,
  ),
  ...both(
    "max pool 3x3 stride 2, 64 channels 112x112, batch 4",
    () => [r(4, 64, 112, 112)],
    (x) => F.maxPool2d(x!, 3, { stride: 2, padding: 1 }),
  ),
  ...both(
    "max pool 2x2, 32 channels 28x28, batch 64",
    () => [r(64, 32, 28, 28)],
    (x) => F.maxPool2d(x!, 2),
  ),
  ...both(
    "average pool 2x2, 64 channels 56x56, batch 8",
    () => [r(8, 64, 56, 56)],
    (x) => F.avgPool2d(x!, 2),
  ),
  ...both(
    "global average, 512 channels 7x7, batch 32",
    () => [r(32, 512, 7, 7)],
    (x) => F.adaptiveAvgPool2d(x!, 1),
  ),
};
