"""How rows are made: the Python of row.ts."""
import torch

r = torch.randn


def below(high, *shape):
    return torch.randint(0, high, shape)


def row(name, make, f):
    def prepare():
        xs = make()
        return lambda: f(*xs)

    return {name: prepare}


def both(name, make, f, leaves=1):
    def prepare():
        xs = make()
        wanted = [x.requires_grad_() for x in xs[:leaves]]
        y = f(*xs)
        g = torch.randn(y.shape)
        return lambda: torch.autograd.grad([y], wanted, [g], retain_graph=True)

    return {**row(name, make, f), f"{name}, backward": prepare}
