# Swin-B with the blog recipe. The blog post itself did not train Swin-B.
_base_ = "./cascade-mask-rcnn_swin-t_blog.py"

model = dict(
    backbone=dict(embed_dims=128, depths=[2, 2, 18, 2], num_heads=[4, 8, 16, 32], drop_path_rate=0.3),
    # 128 * (1, 2, 4, 8)
    neck=dict(in_channels=[128, 256, 512, 1024]),
)
