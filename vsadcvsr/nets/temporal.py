"""Convolution along time, in two forms that share their weights.

Symbols: T frames, C channels, H and W the size of the feature map. `links[t]` is 1 where frame t continues frame t-1
and 0 at the start of a clip and at every cut, so that a cut acts as a zero pad:

    y[t] = links[t] * Wprev x[t-1]  +  Wcur x[t]  +  links[t+1] * Wnext x[t+1]  +  b

- clip form: `forward(x, links)` sees a whole clip. Clips laid end to end, each beginning with link 0, are a batch.
- step form: `step(x, links, state)` sees the next T frames and gives T frames *delayed by one*, with their links. Any
  state may start a stream: whatever is wrong in it cannot reach beyond the frames that it delays.

The layout (dense, kernel 3, bias, second convolution zero at the start) follows the AdcVSR paper, arXiv 2603.00458.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

type State = tuple[Tensor, ...]


def _per_frame(links: Tensor) -> Tensor:
    return links.view(-1, 1, 1, 1)


class TemporalConv(nn.Module):
    """A dense convolution over three neighbouring frames at each place; delays a stream by one frame."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channels = channels
        self.taps = nn.Conv2d(3 * channels, channels, 1)  # in order: previous, current, next

    def forward(self, x: Tensor, links: Tensor) -> Tensor:
        """The clip form: (T, C, H, W) and (T,) in, (T, C, H, W) out."""
        gate = _per_frame(links).to(x.dtype)
        edge = torch.zeros_like(x[:1])
        previous = torch.cat([edge, x[:-1]]) * gate
        following = torch.cat([x[1:] * gate[1:], edge])
        output: Tensor = self.taps(torch.cat([previous, x, following], 1))
        return output

    def initial_state(self, height: int, width: int) -> State:
        """The state of a stream that has seen nothing: the last two inputs (2, C, H, W), the last link (1,)."""
        weight = self.taps.weight
        return weight.new_zeros(2, self.channels, height, width), torch.zeros(1, device=weight.device)

    def step(self, x: Tensor, links: Tensor, state: State) -> tuple[Tensor, Tensor, Tensor, State]:
        """The step form: the frames delayed by one, their links, the *input* delayed by two, and the next state."""
        count = x.shape[0]
        window, window_links = torch.cat([state[0], x]), torch.cat([state[1], links])
        gate = _per_frame(window_links).to(x.dtype)
        oldest = window[:count]
        neighbours = [oldest * gate[:count], window[1 : count + 1], window[2:] * gate[1:]]
        return self.taps(torch.cat(neighbours, 1)), window_links[:count], oldest, (window[count:], window_links[count:])


class TemporalBlock(nn.Module):
    """Two temporal convolutions with ReLU between, added to the input; starts as the identity; delays by two frames."""

    delay = 2

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = TemporalConv(channels)
        self.second = TemporalConv(channels)
        nn.init.zeros_(self.second.taps.weight)
        nn.init.zeros_(self.second.taps.bias)  # type: ignore[arg-type]  # Conv2d has a bias here

    def forward(self, x: Tensor, links: Tensor) -> Tensor:
        """The clip form: (T, C, H, W) and (T,) in, (T, C, H, W) out."""
        inner: Tensor = self.second(torch.relu(self.first(x, links)), links)
        return x + inner

    def initial_state(self, height: int, width: int) -> State:
        return (*self.first.initial_state(height, width), *self.second.initial_state(height, width))

    def step(self, x: Tensor, links: Tensor, state: State) -> tuple[Tensor, Tensor, State]:
        """The step form, delayed by two. The skip needs no delay line: the first convolution's state is one."""
        inner, links, skip, first = self.first.step(x, links, state[:2])
        inner, links, _, second = self.second.step(torch.relu(inner), links, state[2:])
        return skip + inner, links, (*first, *second)


def delay(x: Tensor, line: Tensor) -> tuple[Tensor, Tensor]:
    """The frames that are `len(line)` behind `x`, and the line for the next step."""
    window = torch.cat([line, x])
    return window[: x.shape[0]], window[x.shape[0] :]
