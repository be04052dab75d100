# Swin-B with the paper's recipe.
_base_ = "./cascade-mask-rcnn_swin-t_paper.py"

model = dict(
    backbone=dict(embed_dims=128, depths=[2, 2, 18, 2], num_heads=[4, 8, 16, 32], drop_path_rate=0.3),
    # 128 * (1, 2, 4, 8)
    neck=dict(in_channels=[128, 256, 512, 1024]),
)
