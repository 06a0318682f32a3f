"""Detectors, one file each; each fulfils `edge.cameras.ports.Detector`."""
