"""Scores and offsets of UltraFace (RFB, 320 x 240) for seeded noise, and the faces it finds in a photo."""
import torch
import torch.nn.functional as F
from common import digits, load, nms, photo, summary, write

w = load("ultraface/version-RFB-320.pth")


def conv(x, name, **options):
    weight = w[f"{name}.weight"]
    dilation = options.pop("dilation", 1)
    return F.conv2d(x, weight, w.get(f"{name}.bias"), padding=dilation * (weight.shape[-1] // 2), dilation=dilation, groups=x.shape[1] // weight.shape[1], **options)


def norm(x, name):
    return F.batch_norm(x, *(w[f"{name}.{k}"] for k in ("running_mean", "running_var", "weight", "bias")))


def block(x, name, stride):
    x = F.relu(norm(conv(x, f"{name}.0", stride=stride), f"{name}.1"))
    return F.relu(norm(conv(x, f"{name}.3"), f"{name}.4")) if f"{name}.3.weight" in w else x


def field(x):
    def chain(x, name, *layers):
        for i, (dilation, relu) in enumerate(layers):
            x = norm(conv(x, f"{name}.{i}.conv", dilation=dilation), f"{name}.{i}.bn")
            x = F.relu(x) if relu else x
        return x

    def one(x, name):
        return norm(conv(x, f"{name}.conv"), f"{name}.bn")

    n = "base_net.7"
    branches = [
        chain(x, f"{n}.branch0", (1, 0), (1, 1), (2, 0)),
        chain(x, f"{n}.branch1", (1, 0), (1, 1), (3, 0)),
        chain(x, f"{n}.branch2", (1, 0), (1, 1), (1, 1), (5, 0)),
    ]
    return F.relu(one(torch.cat(branches, 1), f"{n}.ConvLinear") + one(x, f"{n}.shortcut"))


def head(x, name, **options):
    if f"{name}.weight" in w:
        return conv(x, name)
    return conv(F.relu(conv(x, f"{name}.0", **options)), f"{name}.2")


def forward(x):
    n, grids = len(x), []
    for i, stride in enumerate([2, 1, 2, 1, 2, 1, 1, 0, 2, 1, 1, 2, 1]):
        x = block(x, f"base_net.{i}", stride) if stride else field(x)
        if i in (7, 10, 12):
            grids.append(x)
    grids.append(F.relu(head(F.relu(conv(x, "extras.0.0")), "extras.0.2", stride=2)))
    return [
        torch.cat([head(g, f"{kind}_headers.{i}").permute(0, 2, 3, 1).reshape(n, -1, width) for i, g in enumerate(grids)], 1)
        for kind, width in (("classification", 2), ("regression", 4))
    ]


def priors():
    out = []
    for (columns, rows), sizes in {(40, 30): (10, 16, 24), (20, 15): (32, 48), (10, 8): (64, 96), (5, 4): (128, 192, 256)}.items():
        out += [[(x + 0.5) / columns, (y + 0.5) / rows, s / 320, s / 240] for y in range(rows) for x in range(columns) for s in sizes]
    return torch.tensor(out).clamp(0, 1)


def detect(image):
    scores, offsets = forward((F.interpolate(image, size=(240, 320), mode="bilinear") - 127) / 128)
    p, prior = scores[0].softmax(1)[:, 1], priors()
    middle = prior[:, :2] + offsets[0, :, :2] * 0.1 * prior[:, 2:]
    half = torch.exp(offsets[0, :, 2:] * 0.2) * prior[:, 2:] / 2
    pixels = torch.cat([middle - half, middle + half], 1) * torch.tensor(image.shape[2:]).flip(0).repeat(2)
    boxes = torch.cat([pixels, p[:, None]], 1)[p > 0.7]
    return boxes[nms(boxes, 0.3)]


torch.manual_seed(0)
scores, offsets = forward(torch.randn(2, 3, 240, 320))
faces = detect(photo("multiface.jpg"))
write({"scores": summary(scores, 60), "offsets": summary(offsets, 60), "faces": [[digits(v, 8) for v in row] for row in faces.tolist()]})
