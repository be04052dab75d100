# Swin-S with the paper's recipe.
_base_ = "./cascade-mask-rcnn_swin-t_paper.py"

model = dict(backbone=dict(depths=[2, 2, 18, 2]))
