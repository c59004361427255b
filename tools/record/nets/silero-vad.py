"""Probabilities of Silero VAD with the weights of silero_vad_16k.safetensors, which are those of another release than silero_vad.jit's."""
import torch
import torch.nn.functional as F
from common import audio, digits, safetensors, write

w = safetensors("silero-vad/silero_vad_16k.safetensors")
x = F.pad(audio("jfk_16k.wav"), [64, 0])
state = torch.zeros(2, 1, 128)
probabilities = []
for start in range(0, len(x) - 575, 512):
    y = F.conv1d(F.pad(x[None, None, start : start + 576], [0, 64], mode="reflect"), w["stft_conv.weight"], stride=128)
    y = torch.hypot(y[:, :129], y[:, 129:])
    for i, stride in enumerate([1, 2, 2, 1], 1):
        y = F.relu(F.conv1d(y, w[f"conv{i}.weight"], w[f"conv{i}.bias"], stride=stride, padding=1))
    cell = [w[f"lstm_cell.{k}"] for k in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")]
    state = torch.lstm_cell(y[:, :, 0], list(state), *cell)
    p = torch.sigmoid(F.conv1d(F.relu(state[0])[:, :, None], w["final_conv.weight"], w["final_conv.bias"]))
    probabilities.append(digits(p.item(), 7))
write({"probabilities": probabilities})
