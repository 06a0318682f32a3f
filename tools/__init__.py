"""Tools that build what the product ships; none of them runs on a device."""
