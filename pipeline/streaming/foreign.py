"""One name for objects of Faust and aiokafka, which ship no types: whoever says `Foreign` stands at that edge."""

from typing import Any, TypeAlias

Foreign: TypeAlias = Any
