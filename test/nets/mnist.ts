// The MNIST network of Burn's import example: three convolutions and two dense layers, with batch normalisation.
import { nn, type Tensor } from "firebrand";

class Mnist extends nn.Module {
  conv1 = new nn.Conv2d(1, 8, 3);
  conv2 = new nn.Conv2d(8, 16, 3);
  conv3 = new nn.Conv2d(16, 24, 3);
  norm1 = new nn.BatchNorm2d(24);
  fc1 = new nn.Linear(24 * 22 * 22, 32);
  dropout = new nn.Dropout(0.3);
  fc2 = new nn.Linear(32, 10);
  norm2 = new nn.BatchNorm1d(10);
  forward(x: Tensor): Tensor {
    let y = this.conv1.forward(x).relu(); // [N, 8, 26, 26]
    y = this.conv2.forward(y).relu(); // [N, 16, 24, 24]
    y = this.norm1.forward(this.conv3.forward(y).relu()); // [N, 24, 22, 22]
    y = this.dropout.forward(this.fc1.forward(y.flatten(1)).relu()); // [N, 32]
    return this.norm2.forward(this.fc2.forward(y)).logSoftmax(1); // [N, 10]
  }
}

/** The network, without weights: normalised images [N, 1, 28, 28] → log-probabilities [N, 10]. */
export const mnist = (): nn.Module & { forward(x: Tensor): Tensor } => new Mnist().eval();

/** Bytes as the network wants them: mean and spread are those of the training images. */
export const normalise = (pixels: Tensor): Tensor => pixels.to("float32").div(255).sub(0.1307).div(0.3081);
