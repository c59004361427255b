"""Outputs of facenet-pytorch's P-, R- and O-Net for seeded noise, and the faces that MTCNN finds in a photo."""
import torch
import torch.nn.functional as F
from common import digits, load, nms, photo, summary, write
from torch import nn


class Net(nn.Module):
    """Convolutions (with their pooling window, if any), perhaps a dense layer, and the heads."""

    def __init__(self, convs, dense, heads):
        super().__init__()
        self.pools, width = [p for *_, p in convs], 3
        for i, (channels, kernel, _) in enumerate(convs, 1):
            self.add_module(f"conv{i}", nn.Conv2d(width, channels, kernel))
            self.add_module(f"prelu{i}", nn.PReLU(channels))
            width = channels
        self.dense = dense and f"dense{len(convs) + 1}"
        if dense:
            self.add_module(self.dense, nn.Linear(*dense))
            self.add_module(f"prelu{len(convs) + 1}", nn.PReLU(dense[1]))
        self.heads = []
        for i, size in enumerate(heads, 1):
            self.heads.append(f"dense{len(convs) + 2}_{i}" if dense else f"conv{len(convs) + 1}_{i}")
            self.add_module(self.heads[-1], nn.Linear(dense[1], size) if dense else nn.Conv2d(width, size, 1))

    def forward(self, x):
        for i, window in enumerate(self.pools, 1):
            x = self.get_submodule(f"prelu{i}")(self.get_submodule(f"conv{i}")(x))
            if window:
                x = F.max_pool2d(x, window, 2, ceil_mode=True)
        if self.dense:
            x = self.get_submodule(self.dense)(x.permute(0, 3, 2, 1).flatten(1))
            x = self.get_submodule(f"prelu{len(self.pools) + 1}")(x)
        face, *rest = (self.get_submodule(h)(x) for h in self.heads)
        return *rest, face.softmax(1)


def net(name, *shape):
    n = Net(*shape).eval()
    n.load_state_dict(load(f"facenet-mtcnn/{name}.pt"))
    return n


pnet = net("pnet", [(10, 3, 2), (16, 3, 0), (32, 3, 0)], None, [2, 4])
rnet = net("rnet", [(28, 3, 3), (48, 3, 3), (64, 2, 0)], (576, 128), [2, 4])
onet = net("onet", [(32, 3, 3), (64, 3, 3), (64, 3, 2), (128, 2, 0)], (1152, 256), [2, 4, 10])


def scaled(image, size):
    return (F.interpolate(image, size=size, mode="area") - 127.5) / 128


def moved(boxes, offsets, extra):
    sides = (boxes[:, 2:4] - boxes[:, :2] + extra).repeat(1, 2)
    return torch.cat([boxes[:, :4] + offsets * sides, boxes[:, 4:5]], 1)


def squared(boxes):
    size = boxes[:, 2:4] - boxes[:, :2]
    side = size.amax(1, keepdim=True)
    corner = boxes[:, :2] + (size - side) / 2
    return torch.cat([corner, corner + side, boxes[:, 4:5]], 1)


def patch(image, box, size):
    h, w = image.shape[2:]
    x0, y0, x1, y1 = box[:4].int().tolist()
    return scaled(image[:, :, max(y0, 1) - 1 : min(y1, h), max(x0, 1) - 1 : min(x1, w)], (size, size))


def detect(image, smallest=20):
    h, w = image.shape[2:]
    found, scale = [], 12 / smallest
    while min(h, w) * scale >= 12:
        offsets, p = pnet(scaled(image, (int(h * scale + 1), int(w * scale + 1))))
        mask = p[0, 1] >= 0.6
        corner = mask.nonzero().flip(1).float() * 2
        boxes = torch.cat([((corner + 1) / scale).floor(), ((corner + 12) / scale).floor(), p[0, 1][mask][:, None], offsets[0][:, mask].T], 1)
        found.append(boxes[nms(boxes, 0.5)])
        scale *= 0.709
    boxes = torch.cat(found)
    boxes = boxes[nms(boxes, 0.7)]
    boxes = squared(moved(boxes[:, :5], boxes[:, 5:], 0))
    offsets, p = rnet(torch.cat([patch(image, b, 24) for b in boxes]))
    sure = p[:, 1] > 0.7
    boxes = torch.cat([boxes[sure, :4], p[sure, 1:]], 1)
    keep = nms(boxes, 0.7)
    boxes = squared(moved(boxes[keep], offsets[sure][keep], 1))
    offsets, _, p = onet(torch.cat([patch(image, b, 48) for b in boxes]))
    sure = p[:, 1] > 0.7
    boxes = moved(torch.cat([boxes[sure, :4], p[sure, 1:]], 1), offsets[sure], 1)
    return boxes[nms(boxes, 0.7)]


torch.manual_seed(0)
noise = {"pnet": torch.randn(2, 3, 37, 50), "rnet": torch.randn(5, 3, 24, 24), "onet": torch.randn(3, 3, 48, 48)}
outputs = {name: [summary(y) for y in f(noise[name])] for name, f in (("pnet", pnet), ("rnet", rnet), ("onet", onet))}
faces = detect(photo("multiface.jpg"))
write({"noise": outputs, "faces": [[digits(v, 8) for v in row] for row in faces.tolist()]})
